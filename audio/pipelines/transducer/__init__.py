"""Speech to text by a transducer: what it hears as it comes, the search among texts, and tokens as words."""
