-- Seals entries of the audit trail: one at a time goes on, from where the last one has stopped.
-- KEYS[1] prefix. ARGV: stream id that was sealed last ('' = none), stream id, seq and hash of the last one now, the point the chain begins at (seq, hash),
-- then seq, hash, seq, hash ... Answers 1, or 0 when somebody else has gone on meanwhile.
local p = KEYS[1]
local key = p .. 'auditSeal'
if (redis.call('HGET', key, 'entry') or '') ~= ARGV[1] then return 0 end
--#include now
if ARGV[1] == '' then redis.call('HSET', key, 'baseSeq', ARGV[5], 'baseHash', ARGV[6]) end
for i = 7, #ARGV, 2 do redis.call('HSET', p .. 'auditChain', ARGV[i], ARGV[i + 1]) end
redis.call('HSET', key, 'entry', ARGV[2], 'seq', ARGV[3], 'hash', ARGV[4], 'atMs', now)
return 1
