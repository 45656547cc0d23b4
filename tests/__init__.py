"""What Tether promises, as tests."""
