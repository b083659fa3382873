"""The face synthesis network of section 3.2: what was hidden, completed with the landmarks' guidance."""
