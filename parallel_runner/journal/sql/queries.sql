-- name: add_batch: a batch before its jobs
INSERT INTO batches (name, cwd, identity, results, terms, rules, command, owner, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_job: one job
INSERT INTO jobs (id, key, terms, name, payload) VALUES (?, ?, ?, ?, ?);

-- name: add_need: what a job waits for, or who belongs to a group
INSERT INTO needs (job, needed, condition) VALUES (?, ?, ?);

-- name: finish_input: all jobs of the batch are there
UPDATE batches SET input_complete = 1 WHERE id = ?;

-- name: end_batch: how a batch ended, and that nobody runs it
UPDATE batches SET state = ?, owner = NULL, ended_at = ? WHERE id = ?;

-- name: claim_batch: a batch is run again; from its former owner only when nothing that it leased is left to look after
UPDATE batches SET state = 'open', owner = ?, ended_at = NULL
WHERE id = ? AND (owner IS NULL OR (owner = ? AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.owner = batches.owner)));

-- name: set_lease: everything that a worker may hold
INSERT OR REPLACE INTO leases (worker, owner, attempts) VALUES (?, ?, ?);

-- name: drop_lease: a worker holds nothing any more
DELETE FROM leases WHERE worker = ?;

-- name: drop_leases: nothing is held by an owner's workers but by those of a list
DELETE FROM leases WHERE owner = ? AND worker NOT IN (SELECT value FROM json_each(?));

-- name: add_outcome: the end of an attempt; the first word about it stands
INSERT INTO outcomes (attempt, final, state, failure, exit_code, signal, started_at, wall, user, system, max_rss,
                      out, err, streams, worker, containment, detail, partial)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (attempt) DO NOTHING;

-- name: read_batch: one batch
SELECT * FROM batches WHERE id = ?;

-- name: list_batches: the latest batches first
SELECT * FROM batches ORDER BY id DESC LIMIT ?;

-- name: select_batches: some batches, the latest first; for the failed ones no further than to the first failure
SELECT * FROM batches b
WHERE b.id < :before
  AND (:since IS NULL OR b.created_at >= :since)
  AND (:until IS NULL OR b.created_at < :until)
  AND (:name IS NULL OR b.name GLOB :name)
  AND (:command IS NULL OR instr(lower(b.command), lower(:command)))
  AND (:cwd IS NULL OR b.cwd = :cwd)
  AND (NOT :failed OR EXISTS (
        SELECT 1 FROM outcomes o
        WHERE o.attempt > b.id << 40 AND o.attempt < (b.id + 1) << 40 AND o.final
          AND o.state NOT IN ('succeeded', 'interrupted')
          AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)))
ORDER BY b.id DESC LIMIT :limit;

-- name: find_batches: unfinished batches by what they run and where, the latest first
SELECT * FROM batches
WHERE cwd = ? AND identity = ? AND state IN ('open', 'interrupted') ORDER BY id DESC;

-- name: latest_of_template: the latest batch by what it runs and where
SELECT * FROM batches WHERE cwd = ? AND identity = ? ORDER BY id DESC LIMIT 1;

-- name: batches_with_results: batches by what they run and where that also write their results elsewhere
SELECT * FROM batches WHERE cwd = ? AND identity = ? AND results <> '' ORDER BY id DESC;

-- name: pending_jobs: jobs without a final outcome after they were last queued, with the number of attempts made
SELECT j.id, j.terms, j.payload,
       (SELECT max(o.attempt) & 255 FROM outcomes o WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255),
       j.name,
       (SELECT count(*) FROM outcomes o
        WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255 AND o.failure IN ('worker_lost', 'unknown')
          AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = j.id), -1)),
       (SELECT count(*) FROM outcomes o
        WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255
          AND (o.failure IN ('worker_lost', 'unknown') OR o.state = 'interrupted'
               OR o.attempt <= coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = j.id), -1)))
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

-- name: groups_of_job: the groups that a job belongs to
SELECT job FROM needs WHERE needed = ? AND condition = 'member' ORDER BY job;

-- name: needs_of_job: what one job waits for, and how each of that ended
SELECT n.needed, n.condition, j.name,
       (SELECT o.state FROM outcomes o
        WHERE o.attempt BETWEEN n.needed << 8 AND n.needed << 8 | 255 AND o.final
          AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = n.needed), -1)
        ORDER BY o.attempt DESC LIMIT 1)
FROM needs n LEFT JOIN jobs j ON j.id = n.needed WHERE n.job = ? ORDER BY n.needed;

-- name: final_states: the last final state of each job of a batch that has one
SELECT o.attempt >> 8, o.state FROM outcomes o
WHERE o.attempt > ? AND o.attempt < ? AND o.final
  AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)
ORDER BY o.attempt;

-- name: tally: how many jobs ended in which state; after it was last queued a job has one final outcome at most
SELECT o.state, count(*) FROM outcomes o
WHERE o.attempt > ? AND o.attempt < ? AND o.final
  AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)
GROUP BY o.state;

-- name: requeued_jobs: which jobs of a batch were opened again, and after which attempt
SELECT job, after_attempt FROM requeues WHERE job > ? AND job < ?;

-- name: data_version: changes with each commit of another process
PRAGMA data_version;

-- name: begin_requeue: where the jobs to open again are gathered; on disk, they may be many
CREATE TEMP TABLE IF NOT EXISTS again (job INTEGER PRIMARY KEY, last INTEGER NOT NULL);

-- name: choose_again: jobs that ended so, all or some of them, and those that were skipped because of them, with their last attempt
WITH RECURSIVE chosen (job) AS (
    SELECT o.attempt >> 8 FROM outcomes o
    WHERE o.attempt > :low AND o.attempt < :high AND o.final
      AND o.state IN (SELECT value FROM json_each(:states))
      AND (:jobs IS NULL OR o.attempt >> 8 IN (SELECT value FROM json_each(:jobs)))
      AND (:classes IS NULL OR o.failure IN (SELECT value FROM json_each(:classes)))
      AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = o.attempt >> 8), -1)
    UNION
    SELECT n.job FROM chosen c JOIN needs n ON n.needed = c.job
    WHERE n.job & 4294967295 >= 2147483648  -- a group, which is no job itself: those that waited for it
       OR EXISTS (SELECT 1 FROM outcomes o
                  WHERE o.attempt BETWEEN n.job << 8 AND n.job << 8 | 255 AND o.final AND o.state = 'skipped'
                    AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = n.job), -1))
)
INSERT INTO temp.again (job, last)
SELECT c.job, (SELECT max(o.attempt) FROM outcomes o WHERE o.attempt BETWEEN c.job << 8 AND c.job << 8 | 255)
FROM chosen c WHERE c.job & 4294967295 < 2147483648
ON CONFLICT DO NOTHING;

-- name: keep_exhausted: no attempt number is left for these
DELETE FROM temp.again WHERE last & 255 = 255;

-- name: requeue: whatever ended up to that attempt ends the job no more
INSERT OR REPLACE INTO requeues (job, after_attempt)
SELECT job, CASE WHEN last & 255 = 0 THEN last - 1 ELSE last END FROM temp.again;

-- name: forget_unstarted: an end without an attempt makes room for the next such end
DELETE FROM outcomes WHERE attempt IN (SELECT last FROM temp.again WHERE last & 255 = 0);

-- name: reopen_batch: it has something to do again
UPDATE batches SET state = 'interrupted' WHERE id = ? AND state = 'done';

-- name: end_requeue: nothing is gathered any more
DELETE FROM temp.again;

-- name: attempts: the outcomes of a batch with their jobs, in order
SELECT o.*, j.terms AS job_terms, j.name AS job_name, j.payload AS job_payload
FROM outcomes o JOIN jobs j ON j.id = o.attempt >> 8
WHERE o.attempt > ? AND o.attempt < ? ORDER BY o.attempt LIMIT ?;

-- name: failed_jobs: how some attempts ended, and what their jobs were; no outputs
SELECT o.attempt, o.final, o.state, o.failure, o.exit_code, o.signal, j.terms, j.payload
FROM outcomes o JOIN jobs j ON j.id = o.attempt >> 8
WHERE o.attempt IN (SELECT value FROM json_each(?)) ORDER BY o.attempt;

-- name: latest_usage: what the latest attempts took that succeeded, and what their jobs were; no outputs
SELECT o.attempt, o.wall, o.max_rss, j.terms, j.payload
FROM (SELECT attempt, state, started_at, wall, max_rss FROM outcomes ORDER BY attempt DESC LIMIT ?) o
JOIN jobs j ON j.id = o.attempt >> 8
WHERE o.state = 'succeeded' AND o.started_at > 0 AND o.wall IS NOT NULL AND length(j.payload) <= ?;

-- name: one_job: a job by id
SELECT id, terms, payload, name FROM jobs WHERE id = ?;

-- name: job_by_name: a job by the name that its batch file gave it
SELECT id FROM jobs WHERE id > ? AND id < ? AND name = ?;

-- name: job_names: names that begin so; of the first jobs only, it is for somebody who waits for a word
SELECT name FROM jobs
WHERE id > :after AND id < min(:end, :after + 100000)
  AND name IS NOT NULL AND substr(name, 1, length(:beginning)) = :beginning
ORDER BY id LIMIT :most;

-- name: past: workers that a job lost since it was last queued, and attempts that do not count, before an attempt
SELECT coalesce(sum(failure IN ('worker_lost', 'unknown')
                    AND attempt > coalesce((SELECT after_attempt FROM requeues WHERE job = attempt >> 8), -1)), 0),
       coalesce(sum(failure IN ('worker_lost', 'unknown') OR state = 'interrupted'
                    OR attempt <= coalesce((SELECT after_attempt FROM requeues WHERE job = attempt >> 8), -1)), 0)
FROM outcomes WHERE attempt >= ? AND attempt < ?;

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

-- name: settle_batch: nobody runs it any more: done when it is complete and nothing is left to do
UPDATE batches SET owner = NULL, ended_at = :now, state = CASE
    WHEN input_complete AND NOT EXISTS (
        SELECT 1 FROM jobs j
        WHERE j.id > batches.id << 32 AND j.id < (batches.id + 1) << 32
          AND NOT EXISTS (SELECT 1 FROM outcomes o
                          WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255 AND o.final
                            AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = j.id), -1)))
    THEN 'done' ELSE 'interrupted' END
WHERE id = :batch AND ((owner IS NULL AND state = 'interrupted') OR owner = :owner);

-- name: owned_batches: batches that somebody runs, or ran when it was killed
SELECT id, owner FROM batches WHERE state = 'open' AND owner IS NOT NULL;

-- name: set_terms: the terms of a batch's jobs, which have become more
UPDATE batches SET terms = ? WHERE id = ?;

-- name: set_lock: a lock is an owner's, for a job
INSERT OR REPLACE INTO locks (name, owner, job) VALUES (?, ?, ?);

-- name: all_locks: who has which
SELECT name, owner, job FROM locks;

-- name: drop_locks_of_job: a job needs them no longer
DELETE FROM locks WHERE owner = ? AND job = ?;

-- name: drop_locks_of_owner: an owner needs them no longer
DELETE FROM locks WHERE owner = ?;

-- name: drop_lock: nobody has it who lives
DELETE FROM locks WHERE name = ?;

-- name: terms_of_batch: the terms of a batch's jobs
SELECT terms FROM batches WHERE id = ?;

-- name: all_terms: the terms of all batches
SELECT terms FROM batches;

-- name: terms_of_job: which of its batch's terms a job has
SELECT terms FROM jobs WHERE id = ?;

-- name: old_batches: batches that ended, and if wanted those that could be gone on with, from before a moment
SELECT id FROM batches
WHERE (state = 'done' OR (state = 'interrupted' AND ?)) AND owner IS NULL AND ended_at < ? ORDER BY id;

-- name: prune_batch: a batch that nobody runs; what it leaves behind is found by its missing row
DELETE FROM batches WHERE id = ? AND state IN ('done', 'interrupted') AND owner IS NULL;

-- name: next_job: the first job from a place on
SELECT id FROM jobs WHERE id >= ? ORDER BY id LIMIT 1;

-- name: next_outcome: the first attempt from a place on
SELECT attempt FROM outcomes WHERE attempt >= ? ORDER BY attempt LIMIT 1;

-- name: next_need: the first waiting job from a place on
SELECT job FROM needs WHERE job >= ? ORDER BY job LIMIT 1;

-- name: next_requeue: the first mark from a place on
SELECT job FROM requeues WHERE job >= ? ORDER BY job LIMIT 1;

-- name: prune_outcomes: some outcomes of a batch
DELETE FROM outcomes
WHERE attempt IN (SELECT attempt FROM outcomes WHERE attempt >= ? AND attempt < ? ORDER BY attempt LIMIT ?);

-- name: prune_jobs: some jobs of a batch
DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?);

-- name: prune_needs: some of what the jobs of a batch waited for
DELETE FROM needs
WHERE job IN (SELECT DISTINCT job FROM needs WHERE job >= ? AND job < ? ORDER BY job LIMIT ?);

-- name: prune_requeues: some marks of a batch
DELETE FROM requeues WHERE job IN (SELECT job FROM requeues WHERE job >= ? AND job < ? ORDER BY job LIMIT ?);

-- name: long_outputs: streams that are kept in segment files
SELECT attempt, streams FROM outcomes WHERE attempt > ? AND streams IS NOT NULL ORDER BY attempt LIMIT ?;

-- name: free_pages: pages of the file that hold nothing
PRAGMA freelist_count;

-- name: return_pages: give some of them back to the file system
PRAGMA incremental_vacuum(512);

-- name: return_few_pages: where moving many would take room that is not there
PRAGMA incremental_vacuum(8);

-- name: checkpoint: move what is in the write-ahead log, as far as nobody reads it
PRAGMA wal_checkpoint(PASSIVE);

-- name: begin_matching: the keys of a batch's jobs; on disk, they may be many
CREATE TEMP TABLE input_keys (
    key BLOB NOT NULL, job INTEGER NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (key, job)
) WITHOUT ROWID;

-- name: fill_matching: sorted, so that the table is written front to back
INSERT INTO temp.input_keys (key, job, done)
SELECT j.key, j.id,
       EXISTS (SELECT 1 FROM outcomes o
               WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255 AND o.final
                 AND o.attempt > coalesce((SELECT r.after_attempt FROM requeues r WHERE r.job = j.id), -1))
FROM jobs j WHERE j.id > ? AND j.id < ? ORDER BY j.key, j.id;

-- name: match_key: the first job of a key after another
SELECT job, done FROM temp.input_keys WHERE key = ? AND job > ? ORDER BY job LIMIT 1;

-- name: matched_job: a job with the number of attempts made
SELECT j.id, j.terms, j.payload,
       (SELECT max(o.attempt) & 255 FROM outcomes o WHERE o.attempt BETWEEN j.id << 8 AND j.id << 8 | 255),
       j.name
FROM jobs j WHERE j.id = ?;

-- name: next_keys: further jobs, equal ones together, in order
SELECT key, job, done FROM temp.input_keys WHERE (key, job) > (?, ?) ORDER BY key, job LIMIT ?;

-- name: last_job: the last job of a batch
SELECT max(id) FROM jobs WHERE id > ? AND id < ?;

-- name: end_matching: the keys are not needed any more
DROP TABLE IF EXISTS temp.input_keys;
