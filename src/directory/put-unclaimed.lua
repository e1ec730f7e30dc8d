-- Puts somebody into the directory whom Maxio knows and nobody else does: not to be seen and not acted on until the identity provider sends them.
-- KEYS[1] prefix. ARGV: id, reference, schema version, attributes JSON, link JSON, what they bring in a month in cents, audit JSON, a random word
-- for the audit trail. Answers 1, or 0 when the directory knows the person already.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'user:' .. id
if redis.call('HSETNX', p .. 'references', ARGV[2], id) == 0 then return 0 end
-- Where only the reference was lost, the record says more than Maxio can.
if redis.call('HEXISTS', key, 'reference') == 1 then return 0 end
--#include now
--#include audit
redis.call('HSET', key, 'id', id, 'reference', ARGV[2], 'v', ARGV[3], 'gen', 1, 'settled', 1, 'attrs', ARGV[4], 'un', '', 'xi', '', 'em', '[]',
  'active', '0', 'deleted', '1', 'created', now, 'modified', now, 'request', '', 'open', '[]', 'link', ARGV[5], 'cents', ARGV[6], 'unclaimed', '1', 'subject', ARGV[8])
--#include schema
raiseSchema(p, key, ARGV[3])
redis.call('ZADD', p .. 'unclaimed', now, id)
appendAudit(p, id, ARGV[7], now, 1)
return 1
