"""Training of the nano models: Molmo2, MolmoMotion and the ActionExpert at nano size, with the published names of tensors."""
