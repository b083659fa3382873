"""The paper's stages: networks, trained weights and the commands that train them."""
