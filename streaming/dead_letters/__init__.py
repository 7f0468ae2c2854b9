"""Dead letters: work that failed for good, kept until a person deals with it.

    what fails                               what sees it                              kind
    task raises                              celery_hooks.Request.on_failure           exception
    task raises `Reject`, not requeued       celery_hooks.Request.on_failure           rejected
    soft or hard time limit                  celery_hooks.Request.on_failure           time_limit
    result that cannot be stored             celery_hooks.Request.on_failure           result
    process killed, message acknowledged     celery_hooks.Request.on_failure           worker_lost
    process or worker killed each time       celery_hooks.Task.before_start raises,
                                               then Request.on_failure                 worker_lost
    failure around a task, in a hook say     celery_hooks.on_internal_error, or
                                               Request.on_failure                      hook
    task that no worker knows                celery_hooks.Consumer.on_unknown_task     unknown_task
    headers, arguments or body unreadable    celery_hooks.Consumer                     undecodable
    envelope unreadable or too large         transport.Transport._deliver              undecodable
    item of a queue that is not JSON         transport.Channel._brpop_read             undecodable
    provider's answer unreadable             polling.request, by payloads.record_…     payload
    delivery to a subscriber failed or held  notifications.delivery, by its argument   delivery

    capture.record_letter ─┬─ PostgreSQL ────────────────▶ store: streaming_deadletter ◀──┐
      never raises         ├─ that is away ──────────────▶ spool: Redis list ──┐           │
                           ├─ so is Redis, or it is full ▶ spool: file ────────┤           │
                           └─ the file is full ──────────▶ CRITICAL log line   │           │
                               task store_spooled_letters: capture.store_spooled ──────────┘

    streaming_deadletter ─▶ replay.request_replays: a row of DeadLetterAction, as a person asked
        ─▶ task send_replays: replay.send_due_replays ─▶ the task again, with REPLAY_HEADER
             ├─ works ──────────────▶ Task.on_success: replay.succeeded ─▶ replayed
             ├─ fails ──────────────▶ record_letter: the same row's count rises, new again
             └─ reports no end ─────▶ replay.give_up_on_lost ─▶ new again

A failure that is new is also one event in Sentry, but for deliveries (`capture.report`).
docs/dead-letters.md is for operators; docs/adr/0010-dead-letters.md says why it is built like this.
"""
