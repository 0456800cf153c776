"""What can be said, and what it means: types, operators, expressions, their interpretation."""
