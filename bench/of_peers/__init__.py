"""What peers run: the steps, and a project of theirs around them."""
