"""Alerts: the rows decide what each subscriber is sent; `outbox` claims it, `carrier` sends it.

task send_alerts ─▶ outbox ─▶ edges, operations: what is new ─▶ rows `Alert` ─▶ task deliver
carrier: judged again, in words ─▶ Apprise
"""
