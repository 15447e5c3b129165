"""What the mesh and an order cost on this machine. `bench/README.md` says how to read it."""
