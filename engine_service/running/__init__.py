"""Runs at work: taken up, decided, executed, journalled, followed, and given back."""
