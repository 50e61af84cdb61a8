"""What is an ancestry worth? Levels, and under somebody's trust and policy a verdict.

    trust, policy = parse_trust(trust_bytes), parse_policy(policy_bytes)         or self_trust()
    traced = trace_many(source, artifact_ids, vkey, trust.accept, graders=trust.graders, with_clocks=True)
    moment = moment_of(trust, vkey, note, traced, at_ms, older)
    judge = Judge(traced.nodes, policy, trust, moment)                           or Undecided, naming what is missing
    judge.artifact(artifact_id)                                                  level, status, verdict, reason, path
    judge.row([artifact_id, (rows_id, row_index)])                               by all claims on one digest

All of it is values in, values out: the same bytes, trust, policy and time give the same verdict anywhere, for ever.
"""
