"""The work itself: what one job of each tool does."""
