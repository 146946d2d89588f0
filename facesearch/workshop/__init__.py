"""What makes an encoder: download, import, conversion, quantizing, self-test, bench, sample people."""
