"""What the user sees: plan, progress, tables, JSON."""
