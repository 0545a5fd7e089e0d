"""A database further away than it is: a relay on loopback that holds every byte for a while."""
