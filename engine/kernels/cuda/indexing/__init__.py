"""What is picked and placed by number."""
