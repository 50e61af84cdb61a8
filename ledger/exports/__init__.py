"""Would it change if a foreign standard changed? One file, or family of files, a standard."""
