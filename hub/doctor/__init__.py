"""What `numzoo doctor` looks at: the machine, where files are kept, the network. Every look gives findings and changes nothing."""
