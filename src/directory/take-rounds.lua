-- Takes or keeps the right to make the rounds of a site, and tells what every turn begins with. KEYS[1] prefix. ARGV: token, lease in ms, '1' when
-- Maxio has confirmed the site to this process. One that it has not confirmed, for a wrong key perhaps, marks its token with `?` and gives way to one
-- that it has; alone it keeps the right, since somebody must tell that nothing works.
-- Answers {1 when the right is ours, else 0; Redis TIME in ms; mode or ''}.
local key = KEYS[1] .. 'rounds'
--#include now
local confirmed = ARGV[3] == '1'
local holder = redis.call('GET', key)
local mine = not holder or holder == ARGV[1] or holder == '?' .. ARGV[1] or (confirmed and string.sub(holder, 1, 1) == '?')
if mine then redis.call('SET', key, (confirmed and '' or '?') .. ARGV[1], 'PX', ARGV[2]) end
return { mine and 1 or 0, now, redis.call('HGET', KEYS[1] .. 'mode', 'mode') or '' }
