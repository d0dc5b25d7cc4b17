"""What enters and leaves a library other than by pictures: files that other programs read."""
