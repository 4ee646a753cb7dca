"""What to tell: history, results, reasons."""
