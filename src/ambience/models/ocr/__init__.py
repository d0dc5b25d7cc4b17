"""Networks that find and read text: pictures in, boxes and characters out."""
