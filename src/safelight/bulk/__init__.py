"""Bulk: whole folders through the stages, with progress, in a fixed order, resumable."""
