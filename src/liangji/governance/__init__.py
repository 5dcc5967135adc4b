"""数据安全: what must be protected and how: personal information, secrets; later identity, permission, audit, grading."""
