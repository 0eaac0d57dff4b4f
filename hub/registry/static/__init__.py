"""A registry as plain files, which any web server, S3 bucket or folder can serve: made, signed, read and checked."""
