-- Facts of the service that hold on beyond its run: the next one looks for them at its start, and finds them without a scan.
CREATE INDEX fact_kept ON fact (at) WHERE kind IN ('caller-marked', 'posture-set');
