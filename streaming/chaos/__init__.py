"""Chaos: faults strike the real processes while they stream, and nothing may be lost by it.

`manage.py chaos` starts a run of its own (`run`) with two simulated providers (`feeds`). For each
seed it makes a `plan` of faults, lets them strike the `stage` (`faults`), freezes the providers'
answers, and waits until the stream has recovered (`recovery`). Then a second process reads the
same answers into an empty database (`oracle`), and both sides' `rows` have to be equal
(`comparison`). The failures that workers saw (`witness`), and the deliveries that a subscriber
took (`receiver`), are held against the product's own rows (`ends`) by `soundness` and, once all
seeds are played, `deliveries`. `archive` keeps what a difference needs, and `report` makes the
document.

`plan`, `comparison`, `soundness`, `deliveries` and `report` are pure.
"""
