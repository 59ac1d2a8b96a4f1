"""Django REST framework as its tutorial has it. Runs in an environment of its own: see bench/environment."""
