"""What a call may use and what it did use: prices, budgets, deadlines, checked output."""
