"""What the benches of the index share: hashes, peers, time and memory."""
