"""Examining the machine and a home: findings from recorded facts."""
