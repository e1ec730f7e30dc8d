-- Compares what a process remembers of a site with what this data says, and declares a loss: from then on nothing is written at Maxio, for anybody.
-- KEYS[1] prefix. ARGV: epoch the process knows ('' = none), highest audit seq it has seen, epoch to begin where something is wrong, site fields it knows
-- (JSON list of field, value), 'lost' or 'restored' where somebody says so ('' = find out), who says it, why (for the mode), then epochs it knew before.
-- Answers {epoch, audit seq, recovery or '', epochAtMs, siteId or '', test or '', name or '', what was declared now or '',
-- newest schema version ever written here}.
local p, known, knownSeq, found = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[5]
local key = p .. 'site'
--#include now
local site = redis.call('HMGET', key, 'epoch', 'recovery', 'epochAtMs', 'siteId', 'test', 'name', 'schema')
local schema = site[7] or '0'
local epoch = site[1] or ''
local seq = tonumber(redis.call('HGET', p .. 'auditClock', 'seq') or '0')
local regressed = seq < knownSeq
if found == '' and known ~= '' and epoch ~= known then
  -- A newer epoch that somebody has begun knowing of ours is the history to go on with; it counts from its own beginning.
  if redis.call('HEXISTS', key, 'follows:' .. known) == 0 then
    found = 'lost'
    for i = 8, #ARGV do
      if ARGV[i] == epoch then found = 'restored' end
    end
  end
elseif found == '' and regressed then
  found = seq == 0 and 'lost' or 'restored'
end
if found == '' then
  return { epoch, seq, site[2] or '', site[3] or '0', site[4] or '', site[5] or '', site[6] or '', '', schema }
end

-- The numbers of the entries that are gone are not used again: the gap is their record.
if regressed then redis.call('HSET', p .. 'auditClock', 'seq', knownSeq) end
local fields = cjson.decode(ARGV[4])
for i = 1, #fields, 2 do redis.call('HSETNX', key, fields[i], fields[i + 1]) end
for i = 8, #ARGV do redis.call('HSET', key, 'follows:' .. ARGV[i], now) end
if known ~= '' then redis.call('HSET', key, 'follows:' .. known, now) end
if epoch ~= '' then redis.call('HSET', key, 'follows:' .. epoch, now) end
redis.call('HSET', key, 'epoch', ARGV[3], 'epochAtMs', now, 'recovery', found, 'began', found)
redis.call('HSET', p .. 'mode', 'mode', 'observe', 'by', found, 'atMs', now, 'why', ARGV[7])
redis.call('HDEL', p .. 'mode', 'releasedAtMs', 'before')
--#include audit
local entry = string.format('{"kind":"run","what":"site-%s","actor":"%s","seqFound":%d,"seqKnown":%d}', found, ARGV[6], seq, knownSeq)
appendAudit(p, '', entry, now, 0)
site = redis.call('HMGET', key, 'siteId', 'test', 'name')
return { ARGV[3], math.max(seq, knownSeq) + 1, found, now, site[1] or '', site[2] or '', site[3] or '', found, schema }
