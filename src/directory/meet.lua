-- First contact: whose site this data belongs to and the mode it begins in, in one step, so that no call can leave between the two.
-- KEYS[1] prefix. ARGV: Maxio's site id, mode of a site nobody has met, audit JSON for it, audit JSON for a site that was at work before there were modes,
-- epoch for data that has none.
-- Answers the site id this data belongs to.
local p = KEYS[1]
--#include now
--#include audit
local known = redis.call('HGET', p .. 'site', 'siteId')
local mode, entry = 'enforce', ARGV[4]
if not known then
  known, mode, entry = ARGV[1], ARGV[2], ARGV[3]
  redis.call('HSET', p .. 'site', 'siteId', known)
end
if known == ARGV[1] and redis.call('HSETNX', p .. 'site', 'epoch', ARGV[5]) == 1 then redis.call('HSET', p .. 'site', 'epochAtMs', now) end
if known == ARGV[1] and redis.call('HEXISTS', p .. 'mode', 'mode') == 0 then
  redis.call('HSET', p .. 'mode', 'mode', mode, 'by', 'start', 'atMs', now, 'why', '')
  if mode == 'enforce' then redis.call('HSET', p .. 'mode', 'releasedAtMs', now) end
  appendAudit(p, '', entry, now, 0)
end
return known
