"""Would it change if a dataset format changed? One file a format; yields rows, knows no store."""
