"""What is measured, against what: README.md gives the figures and how to get them."""
