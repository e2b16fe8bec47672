"""What is folded from the log when a worker is loaded, and how a snapshot stands in for the log."""

from actors.past import Past

# Given back by a snapshot, in the pointer or in the blob; see `Past._resume`, `actors.history`.
RESTORED = {
    "created", "status", "last_ms", "outstanding", "structural", "begun_indices", "promises",
    "completed_index",
}  # fmt: skip
# Of the rest of the log alone, or of no use once a worker was idle: what is open, unsent, waited
# for, half done; large values of entries that are replayed; the outcomes, which `KeyIndex` has.
OF_THE_REST = {
    "attempts", "asked_before", "open", "unsent", "unsent_of", "references", "waiting_since",
    "waits_for", "outcomes", "plan", "_begun", "_sent", "_invoked", "_skips", "last_index",
    "failed_index",
}  # fmt: skip


def test_every_part_of_the_past_is_restored_by_a_snapshot_or_belongs_to_the_rest_of_the_log():
    """A new attribute has to be put into `Base` or `SavedWorker`, or workers lose it."""
    assert set(vars(Past(sent=0))) == RESTORED | OF_THE_REST
