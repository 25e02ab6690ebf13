"""Programs as others write them to the specification, right and wrong ones."""
