-- This may be other data than the one this process knows, or than the identity provider does: then nothing is acknowledged (witness.ts).
-- Needs p and change {epoch, seq}; leaves seq, the number of the last audit entry.
local site = redis.call('HMGET', p .. 'site', 'epoch', 'recovery')
local seq = tonumber(redis.call('HGET', p .. 'auditClock', 'seq') or '0')
if (change.epoch ~= '' and site[1] ~= change.epoch) or seq < change.seq or site[2] == 'lost' or site[2] == 'rebuilding' then return { 'lost' } end
