"""Gauss-Newton fits of the face model to a picture: what shape regressors of several distributions share."""
