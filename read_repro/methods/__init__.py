"""One file a method; ``base`` holds the only training loop."""
