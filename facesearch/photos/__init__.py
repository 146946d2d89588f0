"""Photos: files, bytes, arrays, folders and manifests -> RGB pixels with a source and a content hash."""
