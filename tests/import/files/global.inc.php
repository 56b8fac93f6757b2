<?php
$guard = (!function_exists('inside')) ? exit('no; entry') : 1;

/* The site of a small Litecoin pool. */
$config['version'] = '1.0.1';
$config['DEBUG'] = 0;
$config['SALT'] = 'salt-of-mpos';
$config['SALTY'] = "pepper";
$config['algorithm'] = 'scrypt';        // by the coin

$config['db']['host'] = 'localhost';
$config['db']['user'] = 'mpos';
$config['db']['pass'] = 'it\'s "secret"; really';
$config['db']['port'] = 3306;
$config['db']['name'] = 'mpos_ltc';
$config['db']['shared']['accounts'] = 'mpos_accounts';
$config['db']['shared']['workers'] = $config['db']['name'];
$config['db']['shared']['news'] = $config['db']['name'];

$config["wallet"]["type"] = 'http';
$config['wallet']['host'] = '127.0.0.1:9332';
$config['wallet']['username'] = 'litecoinrpc';
$config['wallet']['password'] = 'wallet-secret';

$config['gettingstarted']['coinname'] = 'Litecoin';
$config['gettingstarted']['stratumurl'] = 'pool.example.org';
$config['gettingstarted']['stratumport'] = '3334';

$config['archive']['maxage'] = 60 * 24;
$config['payout_system'] = 'pplns';
$config['pplns'] = array('shares' => array('default' => 4000000, 'type' => 'blockavg'), 'reverse_payout' => true);
$config['difficulty'] = 20;
$config['reward_type'] = 'block';
$config['confirmations'] = 100;
$config['network_confirmations'] = 100;
$config['memcache']['sasl'] = false;
$config['memcache']['sasl']['username'] = '';
$config['motd'] = "Welcome, $name";
if (file_exists('extra.php')) { include('extra.php'); }
