"""What every method shares: the checked request, which bodies are valid, chunks, what comes back."""
