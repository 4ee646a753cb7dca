-- name: add_batch: a batch before its jobs
INSERT INTO batches (name, cwd, identity, results, terms, command, owner, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_job: one job
INSERT INTO jobs (id, key, terms, name, payload) VALUES (?, ?, ?, ?, ?);

-- name: add_need: what a job waits for
INSERT INTO needs (job, needed, condition) VALUES (?, ?, ?);

-- name: finish_input: all jobs of the batch are there
UPDATE batches SET input_complete = 1 WHERE id = ?;

-- name: end_batch: how a batch ended, and that nobody runs it
UPDATE batches SET state = ?, owner = NULL, ended_at = ? WHERE id = ?;

-- name: claim_batch: a batch is run again; by its former owner only if that is gone
UPDATE batches SET state = 'open', owner = ?, ended_at = NULL WHERE id = ? AND (owner IS NULL OR owner = ?);

-- name: set_lease: everything that a worker may hold
INSERT OR REPLACE INTO leases (worker, owner, attempts) VALUES (?, ?, ?);

-- name: drop_lease: a worker holds nothing any more
DELETE FROM leases WHERE worker = ?;

-- name: add_outcome: the end of an attempt; the first word about it stands
INSERT INTO outcomes (attempt, final, state, failure, exit_code, signal, started_at, wall, user, system, max_rss,
                      out, err, streams, worker, containment, detail, partial)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (attempt) DO NOTHING;

-- name: read_batch: one batch
SELECT * FROM batches WHERE id = ?;

-- name: list_batches: the latest batches first
SELECT * FROM batches ORDER BY id DESC LIMIT ?;

-- name: find_batches: unfinished batches by what they run and where, the latest first
SELECT * FROM batches
WHERE cwd = ? AND identity = ? AND state IN ('open', 'interrupted') ORDER BY id DESC;

-- name: open_batches: batches that an owner has not ended
SELECT id FROM batches WHERE owner = ? AND state = 'open';

-- name: pending_jobs: jobs without a final outcome after they were last queued, with the number of attempts made
SELECT j.id, j.terms, j.payload,
       (SELECT max(o.attempt) & 255 FROM outcomes o WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255),
       j.name
FROM jobs j
WHERE j.id > ? AND j.id < ?
  AND NOT EXISTS (SELECT 1 FROM outcomes o
                  WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255 AND o.final
                    AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = j.id), -1))
ORDER BY j.id LIMIT ?;

-- name: count_pending: how many such jobs there are
SELECT count(*) FROM jobs j
WHERE j.id > ? AND j.id < ?
  AND NOT EXISTS (SELECT 1 FROM outcomes o
                  WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255 AND o.final
                    AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = j.id), -1));

-- name: count_jobs: how many jobs a batch has
SELECT count(*) FROM jobs WHERE id > ? AND id < ?;

-- name: needs_of_batch: all that the jobs of a batch wait for
SELECT job, needed, condition FROM needs WHERE job > ? AND job < ? ORDER BY job, needed;

-- name: final_states: the last final state of each job of a batch that has one
SELECT o.attempt >> 8, o.state FROM outcomes o
WHERE o.attempt > ? AND o.attempt < ? AND o.final
  AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)
ORDER BY o.attempt;

-- name: tally: how many jobs ended in which state, by their last final outcome
SELECT state, count(*) FROM (
    SELECT o.attempt >> 8 AS job, o.state, max(o.attempt) FROM outcomes o
    WHERE o.attempt > ? AND o.attempt < ? AND o.final
      AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)
    GROUP BY o.attempt >> 8)
GROUP BY state;

-- name: requeue: open ends of a batch again
INSERT OR REPLACE INTO requeues (job, after_attempt)
SELECT o.attempt >> 8, max(o.attempt) FROM outcomes o
WHERE o.attempt > ? AND o.attempt < ? AND o.final AND o.state IN (SELECT value FROM json_each(?))
  AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)
GROUP BY o.attempt >> 8;

-- name: attempts: the outcomes of a batch with their jobs, in order
SELECT o.*, j.terms AS job_terms, j.name AS job_name, j.payload AS job_payload
FROM outcomes o JOIN jobs j ON j.id = o.attempt >> 8
WHERE o.attempt > ? AND o.attempt < ? ORDER BY o.attempt;

-- name: one_job: a job by id
SELECT id, terms, payload, name FROM jobs WHERE id = ?;

-- name: job_by_name: a job by the name that its batch file gave it
SELECT id FROM jobs WHERE id > ? AND id < ? AND name = ?;

-- name: all_leases: who holds what
SELECT worker, owner, attempts FROM leases;

-- name: add_owner: an owner
INSERT OR REPLACE INTO owners (owner, pid, boot_id, kind, slots, started_at) VALUES (?, ?, ?, ?, 0, ?);

-- name: drop_owner: an owner that is gone
DELETE FROM owners WHERE owner = ?;

-- name: all_owners: everybody who may hold leases or slots
SELECT owner, pid, boot_id, kind, slots, started_at FROM owners;

-- name: set_slots: the slots an owner has reserved
UPDATE owners SET slots = ? WHERE owner = ?;

-- name: interrupt_batches_of: batches whose owner is gone
UPDATE batches SET state = 'interrupted', owner = NULL WHERE state = 'open' AND owner = ?;

-- name: owned_batches: batches that somebody runs, or ran when it was killed
SELECT id, owner FROM batches WHERE state = 'open' AND owner IS NOT NULL;

-- name: terms_of_batch: the terms of a batch's jobs
SELECT terms FROM batches WHERE id = ?;

-- name: terms_of_job: which of its batch's terms a job has
SELECT terms FROM jobs WHERE id = ?;

-- name: old_batches: ended batches from before a moment
SELECT id FROM batches WHERE state IN ('done', 'interrupted') AND owner IS NULL AND ended_at < ? ORDER BY id;

-- name: prune_outcomes: some outcomes of a batch
DELETE FROM outcomes WHERE attempt IN (SELECT attempt FROM outcomes WHERE attempt > ? AND attempt < ? LIMIT ?);

-- name: prune_jobs: some jobs of a batch
DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE id > ? AND id < ? LIMIT ?);

-- name: prune_needs: what the jobs of a batch waited for
DELETE FROM needs WHERE job > ? AND job < ?;

-- name: prune_requeues: marks of a batch
DELETE FROM requeues WHERE job > ? AND job < ?;

-- name: prune_batch: a batch without jobs
DELETE FROM batches WHERE id = ?;

-- name: long_outputs: streams that are kept in segment files
SELECT streams FROM outcomes WHERE streams IS NOT NULL;
