"""The nouns: jobs, batches, outcomes, their states, and the ports that rooms meet at."""
