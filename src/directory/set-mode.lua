-- Sets the mode of a site, with who and why, and keeps the moment of its first release.
-- While a recovery is open there is no `enforce`: only a release, which ends the recovery first, lets a site act on data that was lost or set back.
-- The same mode by the same hand only takes a new why; since when it holds and what it followed stay.
-- KEYS[1] prefix. ARGV: mode, by, why, audit JSON (flat, gains `was`), where only one state may be left, its mode and by ('' = any), '1' for a release.
-- Answers {mode before ('' = none), mode now}.
local p = KEYS[1]
local key = p .. 'mode'
--#include now
local state = redis.call('HMGET', key, 'mode', 'by', 'releasedAtMs', 'why')
local was = state[1] or ''
if ARGV[5] ~= '' and (was ~= ARGV[5] or state[2] ~= ARGV[6]) then return { was, was } end
local again = was == ARGV[1] and state[2] == ARGV[2]
if again and (ARGV[3] == '' or ARGV[3] == state[4]) then return { was, was } end
if ARGV[1] == 'enforce' and redis.call('HEXISTS', p .. 'site', 'recovery') == 1 then return { was, was } end
redis.call('HSET', key, 'why', ARGV[3])
if not again then
  redis.call('HSET', key, 'mode', ARGV[1], 'by', ARGV[2], 'atMs', now)
  if was ~= ARGV[1] then redis.call('HSET', key, 'before', was) end
  if ARGV[1] == 'enforce' and not state[3] then redis.call('HSET', key, 'releasedAtMs', now) end
  if ARGV[7] == '1' then redis.call('HSET', key, 'release', 1) else redis.call('HDEL', key, 'release') end
end
local entry = cjson.decode(ARGV[4])
entry.was = was
--#include audit
appendAudit(p, '', cjson.encode(entry), now, 0)
return { was, ARGV[1] }
