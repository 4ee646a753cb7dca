"""What runs leased attempts and can be resized: local pools, or memory."""
