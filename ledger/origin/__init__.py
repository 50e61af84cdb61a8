"""What is an ancestry worth? Levels."""
