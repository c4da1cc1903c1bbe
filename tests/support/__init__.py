"""What the tests need and the service does not."""
