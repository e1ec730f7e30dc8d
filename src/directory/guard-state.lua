-- The guard as it stands. KEYS[1] prefix.
-- Answers {held, exempt, active people, losses in an hour, losses in a day, trippedAtMs, why, heldCents, activeCents, lossCents, lastLossMs}; '' where there is none.
local p = KEYS[1]
--#include now
local numbers = redis.call('HMGET', p .. 'guard', 'trippedAtMs', 'why', 'heldCents', 'activeCents', 'lossCents', 'lastLossMs')
local function since(ms) return redis.call('ZCOUNT', p .. 'losses', string.format('%.0f', now - ms), '+inf') end
local answer = { redis.call('ZCARD', p .. 'held'), redis.call('ZCARD', p .. 'exempt'), redis.call('SCARD', p .. 'active'), since(3600000), since(86400000) }
for i = 1, 6 do answer[#answer + 1] = numbers[i] or '' end
return answer
