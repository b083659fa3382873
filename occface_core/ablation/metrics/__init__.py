"""One module a stage: the answer for one face against what is known of it → figures; NaN where there is no truth."""
