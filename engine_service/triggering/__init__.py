"""What begins runs from outside: clocks that are due, sources asked, hooks called."""
